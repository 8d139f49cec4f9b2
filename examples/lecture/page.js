'use strict'
// 강의의 클라이언트 페이지를 내주는 웹 서버. WebSocket 서버와는 포트가 다르다.
// The web server of the lecture's client page. It has another port than the WebSocket server.
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')

const port = Number(process.env.PAGE_PORT || 5500)
const page = fs.readFileSync(path.join(__dirname, 'index.html'))

const web = http.createServer((request, response) => {
  if (request.url.split('?')[0] !== '/') {
    response.writeHead(404).end()
    return
  }
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page)
})

web.on('error', (error) => {
  if (error.code !== 'EADDRINUSE') throw error
  console.error(`${port}번 포트를 다른 프로그램이 쓰고 있습니다. PAGE_PORT=5501처럼 다른 포트를 지정하세요.`)
  process.exit(1)
})

web.listen(port, 'localhost', () => console.log(`페이지: http://localhost:${web.address().port} (창을 두 개 열고 대화해 보세요. 끝내려면 Ctrl-C)`))
