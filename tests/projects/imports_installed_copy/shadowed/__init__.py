WHICH = "workspace"
