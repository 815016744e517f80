"""Links to hosted pages, page sessions, and how the pages look."""
