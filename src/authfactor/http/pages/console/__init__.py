"""The console: what operators see and do. English only, so its words stand in its templates."""
