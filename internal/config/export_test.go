package config

// ForgetLines forgets where in a file the options stand.
func ForgetLines(s *Serve) { s.lines = nil }
