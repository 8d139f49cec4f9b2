// `node --test js_test/` finds the tests by their names in Node 20; later ones run this file.
import "./message.test.js";
import "./names.test.js";
import "./session.test.js";
import "./text.test.js";
