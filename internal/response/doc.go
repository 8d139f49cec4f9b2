// Package response finds out what an http.ResponseWriter can do, behind the middlewares of an
// embedding program. They wrap the writer of net/http, and many hide some of its methods:
//
//	recorder{http.ResponseWriter}        has Flush and Hijack, and no deadlines
//	http.TimeoutHandler                  keeps the whole response
//	gin's NoRoute                        has the status 404 until WriteHeader is called
//	fasthttp's adaptor, in fiber 2       has a Flush that does nothing
//
// All functions may be called from any goroutine. They write nothing.
package response
