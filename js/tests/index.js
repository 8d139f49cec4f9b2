// `node --test js/tests/` finds the tests by their names in Node 20; later ones run this file.
import "./connection.test.js";
import "./channels.test.js";
import "./tabs.test.js";
import "./values.test.js";
import "./codes.test.js";
