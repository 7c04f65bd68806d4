"""Stage offers: one offer, or control, or nothing for every customer, under consent, budget, capacity and contact cap."""
