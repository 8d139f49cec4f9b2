package e2e_test

import (
	"encoding/json"
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

// The sample prices move, each with a chart, and are labelled as sample data.
func TestQuotesMove(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath, "--demo")
	p := openPage(t, server.URL+"/quotes", look{})
	p.await(t, `document.querySelectorAll("#quotes tr[data-symbol]").length >= 4`)
	p.await(t, `[...document.querySelectorAll("#quotes .chart")].every((cell) => cell.querySelector("canvas"))`)
	p.await(t, `document.querySelector(".badge").textContent !== ""`)

	const prices = `JSON.stringify([...document.querySelectorAll("#quotes tr")].map((row) => row.dataset.price))`
	before, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](prices))
	must(t, err)
	for range 3 {
		if !p.wait(prices, func(value []byte) bool {
			var now string
			moved := json.Unmarshal(value, &now) == nil && now != before
			before = now
			return moved
		}) {
			t.Fatalf("the prices stand still: %s", before)
		}
	}
	p.neverOffline(t)
}

// Prices from a back end that uses nothing of maru but the address.
func TestQuotesOfOthers(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	p := openPage(t, server.URL+"/quotes", look{language: "ko"})
	p.await(t, `document.querySelector(".badge") === null`)
	post(t, server.URL+"/channels/quotes?key=MARU", `{"symbol":"MARU","name":"Maru","price":1234.5,"change":-1.5,"volume":7}`)
	p.await(t, `document.querySelector("#quotes tr[data-symbol=MARU]").textContent.includes("1,234.50")`)
	post(t, server.URL+"/channels/quotes?key=MARU", `{"symbol":"MARU","price":1236,"change":0,"volume":8}`)
	p.await(t, `document.querySelector("#quotes tr[data-symbol=MARU]").textContent.includes("1,236.00")`)
	p.neverOffline(t)
}
