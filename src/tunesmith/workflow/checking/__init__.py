"""What can be told before anything is computed: the check, the preview, and their pages."""
