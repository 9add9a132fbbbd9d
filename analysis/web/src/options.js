// Parts of the options of ECharts that charts share: tooltips, legends, axes, sliders.
import { ellipsized, fittedName, fontFamily, textWidth, tip, wrapped } from './dom.js';
import { number } from './format.js';

export function tooltip(look) {
  return {
    confine: true,
    backgroundColor: look.panel,
    borderColor: look.line,
    textStyle: { color: look.text, fontSize: 12, fontFamily },
    transitionDuration: 0,
    // A chart without a formatter of its own says nothing: ECharts' would take names as markup.
    formatter: () => '',
  };
}

// `content(params)` returns [title, lines] as of tip().
export function itemTip(look, content) {
  return {
    ...tooltip(look),
    trigger: 'item',
    formatter: (params) => {
      const made = content(params);
      return made ? tip(...made) : '';
    },
  };
}

// The plot area below a legend of `names` that wraps over as many lines as it needs.
export function legendAndGrid(
  look,
  size,
  names,
  { bottom = 6, right = 18, legend = {}, lines = 4 } = {}
) {
  const texts = names.map((name) => ellipsized(name, size.narrow ? 22 : 34));
  let rows = names.length ? 1 : 0;
  let x = 0;
  for (const text of texts) {
    const width = textWidth(text) + 50;
    if (x > 0 && x + width > size.width - 16) {
      rows += 1;
      x = 0;
    }
    x += width;
  }
  const scrolls = rows > lines && !size.saved;
  const top = (scrolls ? 26 : rows * 22) + (rows ? 8 : 6);
  return {
    legend: {
      show: names.length > 0,
      type: scrolls ? 'scroll' : 'plain',
      data: names,
      left: 6,
      right: 6,
      top: 0,
      itemWidth: 26,
      itemHeight: 12,
      itemGap: 14,
      padding: [4, 4],
      textStyle: { color: look.text, fontSize: 12, fontFamily },
      pageTextStyle: { color: look.soft },
      pageIconColor: look.text,
      pageIconInactiveColor: look.line,
      formatter: (name) => ellipsized(name, size.narrow ? 22 : 34),
      tooltip: { show: true, formatter: ({ name }) => tip(name, []) },
      ...legend,
    },
    grid: {
      left: 8,
      right,
      top: top + 8,
      bottom,
      containLabel: false,
      outerBoundsMode: 'same',
      outerBoundsContain: 'all',
    },
  };
}

export function valueAxis(look, name, more = {}) {
  return { type: 'value', ...axisLook(look, name), ...more };
}

// The range of an axis: shares end at 100 % at most, other values need not begin at 0.
export function shareRange(unit, from = 0) {
  if (unit !== 'share') return { scale: true };
  return { min: from, max: ({ max }) => Math.min(100, Math.ceil((max + 2) / 10) * 10) };
}

// A range around the values, for comparisons of what is close together; shares stay within 0 and 100 %.
export function closeRange(unit) {
  if (unit !== 'share') return { scale: true };
  const margin = ({ min, max }) => Math.max(0.2, (max - min) * 0.06);
  return {
    min: (range) => Math.max(0, Math.floor(range.min - margin(range))),
    max: (range) => Math.min(100, Math.ceil(range.max + margin(range))),
  };
}

// An axis upwards whose name lies above it, in as many lines as it needs: so it is not cut.
const upLines = (size, name) => wrapped(name, size.width - 90);
export function upAxis(look, size, name, more = {}) {
  const { nameTextStyle } = axisLook(look);
  return valueAxis(look, upLines(size, name).join('\n'), {
    nameLocation: 'end',
    nameGap: 10,
    nameTextStyle: {
      ...nameTextStyle,
      align: 'left',
      lineHeight: 15,
    },
    ...more,
  });
}

export function categoryAxis(look, name, data, more = {}) {
  return {
    type: 'category',
    data,
    ...axisLook(look, name),
    axisLabel: { ...axisLook(look).axisLabel, formatter: undefined },
    splitLine: { show: false },
    axisTick: { show: false },
    ...more,
  };
}

export function axisLook(look, name) {
  return {
    name,
    nameLocation: 'middle',
    nameGap: 28,
    nameTextStyle: { color: look.soft, fontSize: 12 },
    axisLine: { show: true, lineStyle: { color: look.line } },
    axisTick: { lineStyle: { color: look.line } },
    axisLabel: {
      color: look.soft,
      fontSize: 11,
      hideOverlap: true,
      formatter: (value) => number(value, 5),
    },
    splitLine: { lineStyle: { color: look.grid } },
  };
}

// Names down the left side; long ones lose their middle, as their ends tell nodes apart.
// A name of several words may take two lines.
function inTwoLines(name, width) {
  const lines = wrapped(name, width, 11);
  return lines.length <= 2 ? lines.join('\n') : fittedName(name, width, 11);
}

export function nameAxis(look, size, names, more = {}) {
  return categoryAxis(look, '', names, {
    inverse: true,
    axisLabel: {
      color: look.text,
      fontSize: 11,
      interval: 0,
      formatter: (name) => inTwoLines(name, size.narrow ? 112 : 190),
      ...more.axisLabel,
    },
    ...Object.fromEntries(Object.entries(more).filter(([key]) => key !== 'axisLabel')),
  });
}

export function slider(look, more) {
  return {
    type: 'slider',
    borderColor: look.line,
    fillerColor: look.dark ? '#7fb2e533' : '#0072b226',
    backgroundColor: 'transparent',
    showDataShadow: false,
    showDetail: false,
    brushSelect: false,
    handleStyle: { color: look.paper, borderColor: look.soft },
    moveHandleStyle: { color: look.line },
    ...more,
  };
}

// Scrolls a long list of rows; nothing where all fit.
export const visibleRows = (size) => (size.saved ? 64 : size.narrow ? 22 : 32);
export function rowScroll(look, size, rows, more = {}) {
  const visible = visibleRows(size);
  if (rows <= visible) return [];
  const range = { startValue: 0, endValue: visible - 1, yAxisIndex: 0, ...more };
  const inside = {
    id: 'rows-inside',
    type: 'inside',
    zoomOnMouseWheel: false,
    moveOnMouseWheel: 'shift',
    moveOnMouseMove: false,
    preventDefaultMouseMove: false,
    ...range,
  };
  return size.saved
    ? [inside]
    : [slider(look, { id: 'rows', orient: 'vertical', right: 6, width: 14, ...range }), inside];
}

// Scrolls many columns; the first `visible` are shown at first.
export function columnScroll(look, size, columns, visible) {
  const range = { xAxisIndex: 0, startValue: 0, endValue: Math.min(columns, visible) - 1 };
  if (size.saved) return columns > visible ? [{ id: 'columns', type: 'inside', ...range }] : [];
  return [
    slider(look, {
      id: 'columns',
      height: 16,
      bottom: 6,
      left: size.narrow ? 20 : 60,
      right: 40,
      ...range,
    }),
  ];
}
