"""HTTP/1.1 on asyncio. Imports nothing of this package."""
