from oneclick_pipeline.model import pictures


def test_curves_show_both_panels(trained):
    figure = pictures.curves("Everything", trained.predictions, trained.metrics)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0].startswith("ROC-AUC 0.")
    assert titles[1].startswith("ECE 0.")
    assert pictures.png(figure).startswith(b"\x89PNG")


def test_calibration_shows_before_and_after(trained):
    figure = pictures.calibration("Everything", trained.predictions)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert [title.split(" calibration")[0] for title in titles] == ["Before", "After"]
    assert all("of 3 folds" in title for title in titles)
    assert pictures.png(figure).startswith(b"\x89PNG")


def test_comparison_names_every_family(trained):
    figure = pictures.comparison(trained)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert sorted(labels) == sorted(f.label + " (chosen)" * (f.name == trained.family) for f in trained.families)
    assert len(pictures.png(figure)) > 5000
