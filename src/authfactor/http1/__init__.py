"""HTTP/1.1 on asyncio. Imports nothing from the rest of the package."""
