/*
 * The limit: a WebSocket server that does nothing but accept, upgrade, read and
 * send, in one thread with one epoll set. What it costs is what the kernel costs;
 * no server that makes the same calls can be cheaper.
 *
 *	limit --listen 127.0.0.1:9000 --mode fanout|joined|echo
 *
 *	fanout  every message goes to all, with one send() for each
 *	joined  16 messages, or what has come within 2 ms of the first, go to all
 *	        together, encoded once, with one send() for each
 *	echo    every message goes back; what one read brought, with one send()
 *
 * It is no server to use: it knows no fragments, no compression, no UTF-8, no time
 * limits, and hangs up on whoever does not read fast enough or sends more than
 * 64 KB at a time.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 64 << 10, JOIN = 16, JOIN_MS = 2 };

struct conn {
	int place;            /* in members, -1 before the upgrade */
	size_t have;          /* bytes of a part of a frame or request */
	unsigned char *part;  /* NULL while there is none */
};

static enum { FANOUT, JOINED, ECHO_BACK } mode;
static struct conn *conns; /* by file descriptor */
static int *members, n_members, epoll_fd;
static unsigned char out[2 * BUFFER];
static size_t n_out;
static int n_joined;

static void die(const char *what) {
	perror(what);
	exit(1);
}

/* SHA-1 (FIPS 180-4) of a message of less than 120 bytes. */
static uint32_t rol(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void sha1(const unsigned char *p, size_t n, unsigned char digest[20]) {
	uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}, w[80];
	unsigned char block[128] = {0};
	size_t blocks = n + 9 > 64 ? 2 : 1;
	memcpy(block, p, n);
	block[n] = 0x80;
	block[blocks * 64 - 2] = n * 8 >> 8;
	block[blocks * 64 - 1] = n * 8;
	for (size_t at = 0; at < blocks * 64; at += 64) {
		for (int i = 0; i < 16; i++)
			w[i] = (uint32_t)block[at + 4 * i] << 24 | block[at + 4 * i + 1] << 16 | block[at + 4 * i + 2] << 8 | block[at + 4 * i + 3];
		for (int i = 16; i < 80; i++)
			w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
		uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
		for (int i = 0; i < 80; i++) {
			uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
			uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
			uint32_t t = rol(a, 5) + f + e + k + w[i];
			e = d, d = c, c = rol(b, 30), b = a, a = t;
		}
		h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
	}
	for (int i = 0; i < 20; i++)
		digest[i] = h[i / 4] >> (24 - 8 * (i % 4));
}

/* The answer's key (RFC 6455 4.2.2): 28 characters of base64. */
static void accept_key(const char *key, char answer[29]) {
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char joined[61];
	unsigned char d[21] = {0};
	memcpy(joined, key, 24);
	memcpy(joined + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 37);
	sha1((unsigned char *)joined, 60, d);
	for (int i = 0; i < 7; i++) {
		uint32_t v = d[3 * i] << 16 | d[3 * i + 1] << 8 | d[3 * i + 2];
		for (int j = 0; j < 4; j++)
			answer[4 * i + j] = digits[v >> (18 - 6 * j) & 63];
	}
	answer[27] = '=', answer[28] = 0;
}

static void drop(int fd) {
	struct conn *c = &conns[fd];
	if (c->place >= 0) {
		members[c->place] = members[--n_members];
		conns[members[c->place]].place = c->place;
	}
	free(c->part);
	*c = (struct conn){-1, 0, NULL};
	close(fd);
}

/* 0, or -1 if the connection was dropped. There is no queue. */
static int send_all(int fd, const void *p, size_t n) {
	if (send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n)
		return 0;
	drop(fd);
	return -1;
}

static void send_to_members(void) {
	for (int i = 0; i < n_members;)
		if (send_all(members[i], out, n_out) == 0)
			i++; /* else another has this place now */
	n_out = n_joined = 0;
}

static size_t encode(unsigned char *to, unsigned char first, const unsigned char *p, size_t n) {
	unsigned char *begin = to;
	*to++ = first;
	if (n < 126)
		*to++ = n;
	else
		*to++ = 126, *to++ = n >> 8, *to++ = n;
	memcpy(to, p, n);
	return to + n - begin;
}

/* Takes one frame. The bytes it had, 0 if it is not whole, -1 if the connection is gone. */
static ssize_t frame(int fd, unsigned char *p, size_t have) {
	if (have < 2)
		return 0;
	size_t n = p[1] & 127, head = 6;
	if (n == 127 || !(p[1] & 128))
		return drop(fd), -1;
	if (n == 126) {
		if (have < 4)
			return 0;
		n = p[2] << 8 | p[3], head = 8;
	}
	if (have < head + n)
		return 0;
	unsigned char *mask = p + head - 4, *data = p + head;
	for (size_t i = 0; i < n; i++)
		data[i] ^= mask[i & 3];
	unsigned char op = p[0] & 15, control[2 + 125];
	if (op == 8 || op == 9) {
		if (n > 125)
			return drop(fd), -1;
		if (send_all(fd, control, encode(control, op == 8 ? 0x88 : 0x8a, data, n)))
			return -1;
		if (op == 8)
			return drop(fd), -1;
	} else if (op == 1 || op == 2) {
		n_out += encode(out + n_out, p[0], data, n);
		if (mode == FANOUT || (mode == JOINED && (++n_joined == JOIN || n_out > BUFFER / 2)))
			send_to_members();
	}
	return conns[fd].place < 0 ? -1 : (ssize_t)(head + n);
}

/* The same for the request that opens a connection. */
static ssize_t upgrade(int fd, unsigned char *p, size_t have) {
	char answer[256], key[29];
	char *end = memmem(p, have, "\r\n\r\n", 4);
	if (!end)
		return 0;
	*end = 0;
	char *given = strcasestr((char *)p, "\r\nSec-WebSocket-Key:");
	if (!given)
		return drop(fd), -1;
	given += strlen("\r\nSec-WebSocket-Key:");
	given += strspn(given, " ");
	if (strcspn(given, " \r") != 24)
		return drop(fd), -1;
	accept_key(given, key);
	int n = sprintf(answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", key);
	if (send_all(fd, answer, n))
		return -1;
	conns[fd].place = n_members;
	members[n_members++] = fd;
	return end + 4 - (char *)p;
}

static void readable(int fd) {
	static unsigned char buffer[BUFFER];
	struct conn *c = &conns[fd];
	size_t have = c->have;
	memcpy(buffer, c->part, have);
	ssize_t n = recv(fd, buffer + have, BUFFER - have, 0);
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR) || have == BUFFER)
			drop(fd);
		return;
	}
	have += n;
	size_t at = 0;
	while (at < have) {
		n = c->place < 0 ? upgrade(fd, buffer + at, have - at) : frame(fd, buffer + at, have - at);
		if (n < 0)
			return;
		if (n == 0)
			break;
		at += n;
	}
	if (mode == ECHO_BACK && n_out > 0) {
		int gone = send_all(fd, out, n_out);
		n_out = 0;
		if (gone)
			return;
	}
	free(c->part);
	c->part = NULL;
	if ((c->have = have - at) > 0) {
		if (!(c->part = malloc(c->have)))
			die("malloc");
		memcpy(c->part, buffer + at, c->have);
	}
}

static void accept_one(int listener) {
	int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	conns[fd] = (struct conn){-1, 0, NULL};
	struct epoll_event ev = {EPOLLIN, {.fd = fd}};
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev))
		close(fd);
}

static int listen_on(char *address) {
	char *colon = strrchr(address, ':');
	struct sockaddr_in to = {.sin_family = AF_INET};
	if (!colon || (*colon = 0, inet_pton(AF_INET, address, &to.sin_addr) != 1)) {
		fprintf(stderr, "limit: --listen wants ADDRESS:PORT\n");
		exit(2);
	}
	to.sin_port = htons(atoi(colon + 1));
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&to, sizeof to) || listen(fd, 4096))
		die("limit: listen");
	return fd;
}

int main(int argc, char **argv) {
	static const char *modes[] = {"fanout", "joined", "echo"};
	char *address = NULL;
	int known = -1;
	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--listen"))
			address = argv[i + 1];
		for (int m = 0; m < 3 && !strcmp(argv[i], "--mode"); m++)
			if (!strcmp(argv[i + 1], modes[m]))
				known = m;
	}
	if (!address || known < 0) {
		fprintf(stderr, "usage: limit --listen ADDRESS:PORT --mode fanout|joined|echo\n");
		return 2;
	}
	mode = known;
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	conns = calloc(files.rlim_max, sizeof *conns);
	members = calloc(files.rlim_max, sizeof *members);
	epoll_fd = epoll_create1(0);
	int listener = listen_on(address);
	struct epoll_event ev = {EPOLLIN, {.fd = listener}}, events[512];
	if (!conns || !members || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &ev))
		die("limit");
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 512, n_joined ? JOIN_MS : -1);
		if (n == 0 && n_joined)
			send_to_members();
		for (int i = 0; i < n; i++)
			if (events[i].data.fd == listener)
				accept_one(listener);
			else
				readable(events[i].data.fd);
	}
}
