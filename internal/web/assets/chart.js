/**
 * A small line of the last prices, by uPlot.
 */

/** @type {typeof import("uplot")} */
const Plot = /** @type {any} */ (globalThis).uPlot;

/** How many points a line has. */
const POINTS = 120;

/**
 * @param {HTMLElement} place its colour is the line's colour, its size the chart's
 */
export function chart(place) {
  /** @type {number[]} */
  const prices = [];
  let opening = 0;
  /** One step for each price, and a level line where the day began. */
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
    /** @param {{price: number}[]} older what was before all that was added */
    before(older) {
      prices.unshift(...older.map(({ price }) => price));
      prices.splice(0, prices.length - POINTS);
      plot.setData(data());
    },
    /** @param {boolean} [redraw] with the colours as they are now */
    draw(redraw) {
      if (redraw) plot.redraw();
      else plot.setData(data());
    },
  };
}
