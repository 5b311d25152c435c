"""The admin API's resources: of each its models and its routes, which routes.py registers."""
