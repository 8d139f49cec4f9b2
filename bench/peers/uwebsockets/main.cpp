// uWebSockets as its own examples use it: every message goes to all, published to a
// topic (--mode fanout), or back (--mode echo), at --listen ADDRESS:PORT.
//
// It is not built here; bench/README.md says how.
#include <App.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#ifndef VERSION
#define VERSION "version unknown"
#endif

int main(int argc, char **argv) {
	std::string listen, mode = "fanout";
	for (int i = 1; i < argc; i++) {
		std::string_view name = argv[i];
		if (name == "--version") {
			std::cout << VERSION << "\n";
			return 0;
		}
		if (i + 1 < argc && name == "--listen")
			listen = argv[++i];
		else if (i + 1 < argc && name == "--mode")
			mode = argv[++i];
		else
			listen.clear(), i = argc;
	}
	auto colon = listen.rfind(':');
	if (colon == std::string::npos || (mode != "fanout" && mode != "echo")) {
		std::cerr << "usage: uwebsockets-peer --listen ADDRESS:PORT [--mode fanout|echo]\n";
		return 2;
	}

	struct Nothing {};
	uWS::App app;
	uWS::App::WebSocketBehavior<Nothing> behavior;
	behavior.compression = uWS::DISABLED;
	behavior.maxBackpressure = 16 << 20; // so that nothing is dropped
	if (mode == "echo") {
		behavior.message = [](auto *ws, std::string_view message, uWS::OpCode op) { ws->send(message, op); };
	} else {
		behavior.open = [](auto *ws) { ws->subscribe("all"); };
		behavior.message = [&app](auto *, std::string_view message, uWS::OpCode op) { app.publish("all", message, op); };
	}
	bool listens = false;
	app.ws<Nothing>("/*", std::move(behavior))
		.listen(listen.substr(0, colon), std::atoi(listen.c_str() + colon + 1), [&](auto *socket) { listens = socket; })
		.run();
	if (!listens) {
		std::cerr << "uwebsockets-peer: cannot listen on " << listen << "\n";
		return 1;
	}
}
