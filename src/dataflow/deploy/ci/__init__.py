"""Files for a CI service: what a pull request, a merge and a closed pull request do, as each vendor wants it said."""
