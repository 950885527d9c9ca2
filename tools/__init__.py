"""What keeps the repository true; learners need none of it."""
