/**
 * A small line chart of the last prices, drawn by uPlot.
 */

/** @type {typeof import("uplot")} */
const Plot = /** @type {any} */ (globalThis).uPlot;

/** The maximum number of points in a line. */
const POINTS = 120;

/**
 * @param {HTMLElement} place the chart takes its colour and size
 */
export function chart(place) {
  /** @type {number[]} */
  const prices = [];
  let opening = 0;
  /** One point for each price, and a horizontal line at the opening price. */
  const data = () => /** @type {[number[], number[], number[]]} */ ([[...prices.keys()], prices, prices.map(() => opening)]);

  const colour = () => getComputedStyle(place).color;
  const size = () => ({ width: place.clientWidth, height: place.clientHeight });
  const plot = new Plot(
    {
      ...size(),
      legend: { show: false },
      cursor: { show: false },
      axes: [{ show: false }, { show: false }],
      padding: [4, 3, 4, 3],
      scales: { x: { time: false } },
      series: [
        {},
        { stroke: colour, width: 1.5, points: { show: false } },
        { stroke: () => getComputedStyle(place).outlineColor, width: 1, dash: [2, 3], points: { show: false } },
      ],
    },
    data(),
    place,
  );
  new ResizeObserver(() => plot.setSize(size())).observe(place);

  return {
    /** @param {{price: number, change: number}} quote */
    add({ price, change }) {
      prices.push(price);
      if (prices.length > POINTS) prices.shift();
      opening = price - change;
    },
    /** @param {{price: number}[]} older prices before those that were added */
    before(older) {
      prices.unshift(...older.map(({ price }) => price));
      prices.splice(0, prices.length - POINTS);
      plot.setData(data());
    },
    /** @param {boolean} [redraw] draw again with the current colours */
    draw(redraw) {
      if (redraw) plot.redraw();
      else plot.setData(data());
    },
  };
}
