"""What private training reaches, and whether the self-test tells right trainers from wrong ones."""
