'use strict'
require('./server.js')
require('./page.js')
