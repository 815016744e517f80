"""The JSON of the API: shapes that go out (`objects`) and shapes that come in (`requests`)."""
