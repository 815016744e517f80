"""The console for operators. English only, so its texts are in its templates."""
