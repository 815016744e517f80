"""The API's JSON: request bodies (`requests`), response bodies (`responses` and a module per subject)."""
