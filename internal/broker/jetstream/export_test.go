package jetstream

// MaxNamespaces is the most namespaces of a directory.
const MaxNamespaces = maxNamespaces
