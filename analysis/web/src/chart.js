// A chart in its frame: <figure> with a caption, controls, "Save SVG" and a table of its data.
//
//   new Figure(page, {
//     id, title,
//     note(): string            under the title: what is shown
//     height(size): pixels
//     controls: [elements]
//     missing(): string         why there is nothing to draw; '' where there is
//     option(look, size): the option of ECharts; size: {width, height, saved}
//     values(): [{...}]         what is drawn, in the store's units
//     columns: {key: [title, unit]}   of the table of values
//     ready(echarts)            once it exists: events
//   })
import { button, ellipsized, el, fontFamily, table, textWidth, tip } from './dom.js';
import { echarts } from './echarts.js';
import { count, number } from './format.js';
import { look as currentLook, looks, onTheme } from './theme.js';

const tableRows = 500;
const savedWidth = 760;

export const charts = new Map(); // id -> Figure, as window.convoy.charts

export class Figure {
  constructor(page, spec) {
    this.page = page;
    this.spec = spec;
    this.id = spec.id;
    this.dirty = true;
    this.shown = true;
    this.canvas = el('div', { class: 'canvas' });
    this.picture = el('div', { class: 'picture', role: 'img' }, this.canvas);
    this.nothing = el('p', { class: 'nothing', hidden: true });
    this.data = el('div', { class: 'data', id: `${this.id}-data`, hidden: true });
    this.dataButton = button('Data', () => this.toggleData(), {
      'aria-expanded': 'false', 'aria-controls': `${this.id}-data`, title: 'The values as a table',
    });
    this.saveButton = button('Save SVG', () => this.save(), { title: 'For a paper' });
    this.title = el('span', { class: 'title' }, spec.title);
    this.note = el('span', { class: 'note' });
    for (const [control, what] of [[this.dataButton, 'data of'], [this.saveButton, 'save as SVG:']]) {
      control.setAttribute('aria-label', `${control.textContent}, ${what} ${spec.title}`);
    }
    this.element = el(
      'figure',
      { id: `chart-${this.id}`, class: 'chart' },
      el('figcaption', {}, el('div', {}, this.title, this.note),
        el('div', { class: 'tools' }, this.dataButton, this.saveButton)),
      spec.controls?.length ? el('div', { class: 'controls' }, spec.controls) : null,
      this.picture, this.nothing, this.data
    );
    charts.set(this.id, this);
    onTheme(() => this.refresh());
  }

  get echarts() {
    this.create();
    return this.instance;
  }

  values() {
    return this.spec.missing?.() ? [] : this.spec.values();
  }

  option() {
    return this.complete(currentLook(), this.size());
  }

  create() {
    if (!this.instance) {
      this.canvas.style.height = `${this.size().height}px`;
      this.instance = echarts.init(this.canvas, null, {
        renderer: 'canvas', width: this.size().width, height: this.size().height,
      });
      watchSize(this);
      this.spec.ready?.(this.instance, this);
      this.dirty = true;
    }
    if (this.dirty) this.draw();
  }

  // The data, the theme or a control has changed.
  refresh() {
    this.dirty = true;
    if (this.instance && this.shown) this.draw();
  }

  draw() {
    this.dirty = false;
    const missing = this.spec.missing?.() ?? '';
    this.nothing.textContent = missing;
    this.nothing.hidden = !missing;
    this.picture.hidden = Boolean(missing);
    this.dataButton.disabled = this.saveButton.disabled = Boolean(missing);
    const note = missing ? '' : this.spec.note?.() ?? '';
    this.note.textContent = note;
    if (missing) {
      this.instance.clear();
      return;
    }
    const size = this.size();
    this.canvas.style.height = `${size.height}px`;
    if (this.instance.getWidth() !== size.width || this.instance.getHeight() !== size.height) {
      this.instance.resize({ width: size.width, height: size.height, silent: true });
    }
    this.instance.setOption(this.complete(currentLook(), size), { notMerge: true, lazyUpdate: false });
    this.picture.setAttribute('aria-label', this.describe(note));
    if (!this.data.hidden) this.fillData();
    this.spec.drawn?.(this);
  }

  describe(note) {
    const rows = this.spec.count?.() ?? this.spec.values().length;
    return `${this.spec.title}. ${note} ${count(rows)} ${rows === 1 ? 'value' : 'values'}; `
      + 'the Data button lists them.';
  }

  size(saved = false) {
    const width = saved ? savedWidth : Math.max(240, this.picture.clientWidth || this.element.clientWidth || 800);
    const size = { width, saved, narrow: width < 520 };
    size.height = Math.round(this.spec.height?.(size) ?? (size.narrow ? 300 : 360));
    return size;
  }

  complete(look, size) {
    const option = this.spec.option(look, size);
    return {
      animation: false,
      backgroundColor: 'transparent',
      textStyle: { fontFamily, color: look.text },
      tooltip: tooltip(look),
      ...option,
    };
  }

  svg() {
    const size = this.size(true);
    const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: size.width, height: size.height });
    chart.setOption({ ...this.complete(looks.light, size), backgroundColor: '#ffffff' });
    const text = chart.renderToSVGString();
    chart.dispose();
    return text;
  }

  save() {
    const address = URL.createObjectURL(new Blob([this.svg()], { type: 'image/svg+xml' }));
    el('a', { href: address, download: `${this.id}.svg` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  toggleData() {
    this.data.hidden = !this.data.hidden;
    this.dataButton.setAttribute('aria-expanded', String(!this.data.hidden));
    if (!this.data.hidden) this.fillData();
  }

  fillData() {
    const rows = this.values();
    const keys = Object.keys(this.spec.columns);
    const text = (value) => {
      if (value === null || value === undefined) return '–';
      if (typeof value === 'number') return number(value, 7);
      return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
    };
    const heads = keys.map((key) => {
      const [title, unit] = this.spec.columns[key];
      return unit ? `${title} (${unit})` : title;
    });
    this.data.replaceChildren(
      table(`Data of ${this.spec.title}`, heads,
        rows.slice(0, tableRows).map((row) => keys.map((key) => text(row[key])))),
      rows.length > tableRows
        ? el('p', { class: 'note' }, `The first ${count(tableRows)} of ${count(rows.length)} rows.`)
        : ''
    );
  }
}

const sizes = new Map();
const observer = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const figure = sizes.get(target);
    const width = target.clientWidth;
    if (width > 0 && figure.instance.getWidth() !== width) figure.refresh();
  }
});
const visibility = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const figure = sizes.get(target);
    figure.shown = isIntersecting || !figure.page.data.live;
    if (isIntersecting && figure.dirty) figure.draw();
  }
}, { rootMargin: '300px' });
function watchSize(figure) {
  sizes.set(figure.picture, figure);
  observer.observe(figure.picture);
  visibility.observe(figure.picture);
}

// --- parts of options ---------------------------------------------------------------------------

export function tooltip(look) {
  return {
    confine: true,
    backgroundColor: look.panel,
    borderColor: look.line,
    textStyle: { color: look.text, fontSize: 12, fontFamily },
    transitionDuration: 0,
    // Without a formatter of its own, a chart says nothing: ECharts' own would show names as markup.
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
export function legendAndGrid(look, size, names, { bottom = 6, right = 18, legend = {}, lines = 4 } = {}) {
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
      show: names.length > 0, type: scrolls ? 'scroll' : 'plain', data: names, left: 6, right: 6, top: 0,
      itemWidth: 26, itemHeight: 12, itemGap: 14, padding: [4, 4],
      textStyle: { color: look.text, fontSize: 12, fontFamily },
      pageTextStyle: { color: look.soft }, pageIconColor: look.text, pageIconInactiveColor: look.line,
      formatter: (name) => ellipsized(name, size.narrow ? 22 : 34),
      ...legend,
    },
    grid: {
      left: 8, right, top: top + 8, bottom, containLabel: false,
      outerBoundsMode: 'same', outerBoundsContain: 'all',
    },
  };
}

export function valueAxis(look, name, more = {}) {
  return { type: 'value', ...axisLook(look, name), ...more };
}

export function categoryAxis(look, name, data, more = {}) {
  return {
    type: 'category', data, ...axisLook(look, name), splitLine: { show: false },
    axisTick: { show: false }, ...more,
  };
}

export function axisLook(look, name) {
  return {
    name, nameLocation: 'middle', nameGap: 28, nameTextStyle: { color: look.soft, fontSize: 12 },
    axisLine: { show: true, lineStyle: { color: look.line } },
    axisTick: { lineStyle: { color: look.line } },
    axisLabel: { color: look.soft, fontSize: 11, hideOverlap: true, formatter: (value) => number(value, 5) },
    splitLine: { lineStyle: { color: look.grid } },
  };
}

// Names down the left side, cut where they are long.
export function nameAxis(look, size, names, more = {}) {
  return categoryAxis(look, '', names, {
    inverse: true,
    axisLabel: {
      color: look.text, fontSize: 11, width: size.narrow ? 96 : 170, overflow: 'truncate', interval: 0,
      ...more.axisLabel,
    },
    ...Object.fromEntries(Object.entries(more).filter(([key]) => key !== 'axisLabel')),
  });
}

export function slider(look, more) {
  return {
    type: 'slider', borderColor: look.line, fillerColor: look.dark ? '#7fb2e533' : '#0072b226',
    backgroundColor: 'transparent', showDataShadow: false, showDetail: false, brushSelect: false,
    handleStyle: { color: look.paper, borderColor: look.soft }, moveHandleStyle: { color: look.line },
    ...more,
  };
}

// Scrolls a long list of rows; nothing where all fit.
export function rowScroll(look, rows, visible, more = {}) {
  if (rows <= visible) return [];
  const range = { startValue: 0, endValue: visible - 1, yAxisIndex: 0, ...more };
  return [
    slider(look, { ...range, orient: 'vertical', right: 4, width: 14, zoomLock: false }),
    { type: 'inside', ...range, zoomOnMouseWheel: false, moveOnMouseWheel: 'shift', moveOnMouseMove: false },
  ];
}
