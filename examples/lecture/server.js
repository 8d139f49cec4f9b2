'use strict'
// 강의의 WebSocket 서버: 한 사람이 보낸 메시지를 접속한 모두에게 보낸다.
// The lecture's WebSocket server: each message goes to every connection.
const { WebSocketServer } = require('ws')

const port = Number(process.env.PORT || 3000)
const sockserver = new WebSocketServer({ port })

sockserver.on('connection', ws => {
  console.log('New client connected!')
  ws.on('close', () => console.log('disconnected!'))

  ws.on('message', data => {
    sockserver.clients.forEach(client => {
      console.log(`send message: ${data}`)
      client.send(`${data}`)
    })
  })

  ws.onerror = function () {
    console.log('websocket error')
  }
})

sockserver.on('listening', () => console.log(`WebSocket 서버: ws://localhost:${sockserver.address().port}`))

sockserver.on('error', (error) => {
  if (error.code !== 'EADDRINUSE') throw error
  console.error(`${port}번 포트를 다른 프로그램이 쓰고 있습니다. 그 프로그램을 끝내거나, PORT=3001처럼 다른 포트를 지정하세요.`)
  console.error(`maru가 쓰고 있다면 서버는 이미 있는 셈입니다. npm run page로 페이지만 여세요.`)
  process.exit(1)
})
