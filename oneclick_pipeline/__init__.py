"""The monthly retention engine of the online store «В один клик»."""
