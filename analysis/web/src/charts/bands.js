// Accuracy and loss of groups of runs: the mean of each group with its 95 % interval.
import { Figure } from '../chart.js';
import { checkbox, el, refill, select } from '../dom.js';
import { axisName, count, known, largest, number, quantity, scale, storeUnit } from '../format.js';
import { itemTip, legendAndGrid, shareRange, valueAxis } from '../options.js';
import { targetsOf } from '../summary.js';
import { seriesColour, seriesDash, seriesSymbol } from '../theme.js';
import { axes, targetLine } from './curves.js';

const usualGroups = 8;
const bandAxes = ['time_s', 'updates', 'bytes', 'energy_j'];

// Where no group has several runs, the curve of each run says all; a sweep has no such curves.
export const hasBands = ({ bands = [], runs }) =>
  bands.length > 0 && (runs.length === 0 || bands.some((band) => band.runs > 1));

export function bands(page) {
  const all = page.data.bands;
  const groups = [...new Set(all.map((band) => band.group))];
  const state = { x: 'time_s', shown: usual(page, groups) };
  const figures = [];
  const changed = () => figures.forEach((figure) => figure.refresh());
  const offered = bandAxes.filter((x) => all.some((band) => band.x === x));
  if (!offered.includes(state.x)) state.x = offered[0];
  const controls = [
    select(
      'Over',
      offered.map((key) => [key, axes[key][0]]),
      state.x,
      (value) => {
        state.x = value;
        changed();
      }
    ),
  ];
  const drawn = (y) =>
    all.filter(
      (band) =>
        band.x === state.x && band.y === y && state.shown.has(band.group) && band.at.length > 0
    );
  const filter = groups.length > usualGroups ? groupFilter(groups, state, changed) : null;
  figures.push(
    band(page, state, drawn, { key: 'accuracy', title: 'Accuracy of groups', controls }),
    band(page, state, drawn, { key: 'loss', title: 'Loss of groups' })
  );
  return [filter, ...figures].filter(Boolean);
}

// The first groups, and the one that all are compared with.
function usual(page, groups) {
  const { comparison } = page.data;
  const shown = new Set(groups.slice(0, usualGroups));
  const baseline = comparison?.groups[comparison.baseline]?.label;
  if (groups.includes(baseline)) shown.add(baseline);
  return shown;
}

function groupFilter(groups, state, changed) {
  const title = el('summary');
  const say = () => {
    title.textContent = `Groups: ${count(state.shown.size)} of ${count(groups.length)} are shown`;
  };
  say();
  return el(
    'details',
    { class: 'more filter', id: 'bands-groups' },
    title,
    el(
      'div',
      { class: 'choices' },
      groups.map((group) =>
        checkbox(group, state.shown.has(group), (wanted) => {
          if (wanted) state.shown.add(group);
          else state.shown.delete(group);
          say();
          changed();
        })
      )
    )
  );
}

function band(page, state, drawnOf, { key, title, controls }) {
  const drawn = () => drawnOf(key);
  const unit = key === 'accuracy' ? 'share' : 'count';
  const text = (value) => (unit === 'share' ? quantity(value, unit) : number(value));
  return new Figure(page, {
    id: `${key}-bands`,
    title,
    controls,
    note: () =>
      `Mean over the runs of each group, over ${axes[state.x][0]}; the shaded area is its 95 % ` +
      'interval. A group of one run has none.',
    missing: () =>
      drawn().length
        ? ''
        : state.shown.size
          ? `No ${key} was evaluated over ${axes[state.x][0]}.`
          : 'No group is chosen.',
    height: (size) => (size.narrow ? 330 : 380),
    option(look, size) {
      const shown = drawn();
      const [name, xUnit] = axes[state.x];
      const across = scale(xUnit, largest(shown.map((each) => each.at)));
      const up = scale(unit, 1);
      const strokes = shown.map((each) => stroke(look, page.groupIndex(each.group)));
      const { legend, grid } = legendAndGrid(
        look,
        size,
        shown.map((each) => each.group),
        {
          lines: usualGroups + 1,
          legend: {
            data: shown.map((each, i) => ({ name: each.group, lineStyle: strokes[i] })),
          },
        }
      );
      return {
        legend,
        grid,
        tooltip: itemTip(look, ({ data }) => data?.point && content(data.point, name, xUnit, text)),
        xAxis: valueAxis(look, axisName(name, across.name), { min: 0 }),
        yAxis: valueAxis(look, axisName(key, up.name), { nameGap: 40, min: 0, ...shareRange(unit) }),
        series: [
          // The legend takes the mark of the first series of a name.
          ...shown.map((each, i) => ({
            ...line(each, across, up, strokes[i], page.groupIndex(each.group)),
            markLine: i === 0 && unit === 'share' ? targetLine(look, up, targets(page)) : undefined,
          })),
          ...shown.map((each, i) => shade(each, across, up, strokes[i])),
        ],
      };
    },
    values: () =>
      drawn().flatMap((each) =>
        each.at.map((at, i) => ({
          group: each.group,
          runs: each.runs,
          [state.x]: at,
          mean: each.mean[i],
          low: each.low[i],
          high: each.high[i],
        }))
      ),
    get columns() {
      const [name, xUnit] = axes[state.x];
      return {
        group: ['group'],
        runs: ['runs'],
        [state.x]: [name, storeUnit(xUnit)],
        mean: ['mean'],
        low: ['95 % interval from'],
        high: ['to'],
      };
    },
  });
}

const targets = (page) =>
  page.runs.length
    ? targetsOf(page.runs)
    : (page.data.comparison?.levels ?? []).map((level) => level.accuracy);

const stroke = (look, index) => ({
  color: seriesColour(look, index),
  width: 2,
  type: seriesDash(index),
});

const content = ({ band, i }, name, xUnit, text) => [
  band.group,
  [
    [name, quantity(band.at[i], xUnit)],
    [`mean of ${count(band.runs)} ${band.runs === 1 ? 'run' : 'runs'}`, text(band.mean[i])],
    known(band.low[i]) ? ['95 % interval', `${text(band.low[i])} .. ${text(band.high[i])}`] : null,
  ],
];

function line(band, across, up, style, index) {
  const every = Math.max(1, Math.ceil(band.at.length / 14));
  return {
    type: 'line',
    name: band.group,
    z: 3,
    symbol: seriesSymbol(index),
    showAllSymbol: true,
    symbolSize: (_, { dataIndex }) => ((dataIndex + index * 3) % every === 0 ? 8 : 2),
    lineStyle: style,
    itemStyle: { color: style.color },
    data: band.at.map((at, i) => ({
      value: [across.of(at), up.of(band.mean[i])],
      point: { band, i },
    })),
  };
}

// The interval as one area, bounded by the dashes of its group.
function shade(band, across, up, style) {
  const inside = band.at.map((_, i) => i).filter((i) => known(band.low[i]) && known(band.high[i]));
  const corners = [
    ...inside.map((i) => [band.at[i], band.high[i]]),
    ...[...inside].reverse().map((i) => [band.at[i], band.low[i]]),
  ].map(([x, y]) => [across.of(x), up.of(y)]);
  return {
    type: 'custom',
    name: band.group,
    silent: true,
    clip: true,
    z: 1,
    itemStyle: { color: style.color },
    tooltip: { show: false },
    // Its ends are the extent that the axes follow.
    data: corners.length ? corners : [],
    renderItem: (params, api) =>
      params.dataIndexInside > 0
        ? undefined
        : {
            type: 'polygon',
            shape: { points: corners.map((corner) => api.coord(corner)) },
            style: {
              fill: style.color,
              opacity: 0.2,
              stroke: style.color,
              lineWidth: 1,
              lineDash: style.type === 'solid' ? undefined : style.type,
            },
          },
  };
}
