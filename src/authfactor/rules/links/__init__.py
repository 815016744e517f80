"""Links to hosted pages, page sessions, and the branding of the pages."""
