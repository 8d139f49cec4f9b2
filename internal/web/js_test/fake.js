export function answer(status, body) {
  return { ok: status < 400, status, json: async () => body };
}
