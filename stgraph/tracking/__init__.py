"""Following people online: `tracker.Tracker`, its `options.TrackerOptions`, and predictors of where joints are next."""
