module maru/bench

go 1.26.0

require (
	golang.org/x/sys v0.49.0
	maru v0.0.0
)

require (
	github.com/alexedwards/scs/v2 v2.9.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace maru => ../
