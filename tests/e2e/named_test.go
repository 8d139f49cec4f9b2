package e2e_test

import (
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// Issue 16: the browser's own EventSource calls the listeners of the event that a publication names,
// and the page of the channel shows its name.
func TestNamedEvents(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	address := server.URL + "/channels/stock"
	p := openPage(t, address, look{})
	p.run(t, `
		got = []
		source = new EventSource(location.pathname)
		for (const name of ["message", "price", "가격 :", "base64:lines", "gap"])
			source.addEventListener(name, ({ type, data, lastEventId }) => got.push([type, data, lastEventId.includes(":")]))
	`)
	p.eventually(t, `source.readyState`, 1)
	curl(t, address+"?event=price", "7.50")
	curl(t, address+"?event=%EA%B0%80%EA%B2%A9+:", "8\n9")
	curl(t, address+"?event=lines", "a\rb")
	curl(t, address, "no name")
	p.eventually(t, `got`, []any{
		[]any{"price", "7.50", true}, []any{"가격 :", "8\n9", true}, []any{"base64:lines", "YQ1i", true}, []any{"message", "no name", true},
	})
	p.eventually(t, `[...document.querySelectorAll(".event")].map((e) => e.textContent)`, []any{"price", "가격 :", "lines"})
}
