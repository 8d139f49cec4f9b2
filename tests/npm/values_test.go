package npm_test

import (
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

// Issue 15 §14, in pages whose connection a shared worker has: what a port cannot carry, and
// more channels than one connection takes, subscribed before it is open.
func TestValuesAndChannelsInABrowser(t *testing.T) {
	program.InOwnStep(t)
	live, url := serve(t)
	tab := openTab(t, startChromium(t))
	tab.navigate(t, importMap(t)+"?maru="+url)
	tab.do(t, chromedp.Evaluate[chromedp.Void](`void (async () => {
		const { Maru } = await import("maru-client");
		const url = new URLSearchParams(location.search).get("maru");
		const many = new Maru(url + "/?many");
		globalThis.subscriptions = Array.from({ length: 130 }, (_, i) => many.subscribe("b" + i));
		const page = new Maru(url + "/?values");
		const outcome = (value) => page.publish("x", value).then(() => "published", (error) => error.name);
		globalThis.outcomes = await Promise.all([1n, () => 1, Symbol("x"), undefined, document.body, new DataView(new ArrayBuffer(2)), "good"].map(outcome));
		for (const option of [1n, Symbol("x")]) {
			try { page.subscribe(option); outcomes.push("subscribed"); } catch (error) { outcomes.push(error.name); }
		}
		dispatchEvent(new PageTransitionEvent("pagehide"));
		dispatchEvent(new PageTransitionEvent("pageshow"));
		outcomes.push(await outcome("after the page was away"));
	})()`))
	tab.eventually(t, `globalThis.subscriptions?.filter(({ state }) => state === "subscribed").length`, 130)
	const wrong = "TypeError"
	tab.eventually(t, `globalThis.outcomes`, []string{
		wrong, wrong, wrong, wrong, "published", "published", "published", wrong, "subscribed", "published",
	})
	// Those of the page, of the values, and two for 130 channels, all opened again.
	awaitConnections(t, live.Connections, 4)
	tab.quiet(t)
}
