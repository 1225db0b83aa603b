"""What goes to GitHub: the comment and the check run of a pull request."""
