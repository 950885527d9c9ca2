"""Tools for maintainers of the course; learners need none of them."""
