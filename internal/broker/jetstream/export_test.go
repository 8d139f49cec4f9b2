package jetstream

// MaxNamespaces is the limit of a directory.
const MaxNamespaces = maxNamespaces
