"""Tasks of users: task files, their data in any format, and what `linkbert init` makes of a file or folder."""
