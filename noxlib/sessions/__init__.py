"""One small module a lifecycle step: arguments, plan, place, record."""
