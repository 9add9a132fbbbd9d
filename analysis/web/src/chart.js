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
import { button, el, fontFamily, refill, table } from './dom.js';
import { echarts } from './echarts.js';
import { count, number } from './format.js';
import { tooltip } from './options.js';
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
    this.selected = undefined; // of the legend, and zooms: what the reader chose outlives new data
    this.zooms = {};
    this.canvas = el('div', { class: 'canvas' });
    this.picture = el('div', { class: 'picture', role: 'img' }, this.canvas);
    this.nothing = el('p', { class: 'nothing', hidden: true });
    this.data = el('div', { class: 'data', id: `${this.id}-data`, hidden: true });
    this.dataButton = button('Data', () => this.toggleData(), {
      'aria-expanded': 'false',
      'aria-controls': `${this.id}-data`,
      title: 'The values as a table',
    });
    this.saveButton = button('Save SVG', () => this.save(), { title: 'For a paper' });
    this.title = el('span', { class: 'title' }, spec.title);
    this.note = el('span', { class: 'note' });
    for (const [control, what] of [
      [this.dataButton, 'data of'],
      [this.saveButton, 'save as SVG:'],
    ]) {
      control.setAttribute('aria-label', `${control.textContent}, ${what} ${spec.title}`);
    }
    this.element = el(
      'figure',
      { id: `chart-${this.id}`, class: 'chart' },
      el(
        'figcaption',
        {},
        el('div', {}, this.title, this.note),
        el('div', { class: 'tools' }, this.dataButton, this.saveButton)
      ),
      spec.controls?.length ? el('div', { class: 'controls' }, spec.controls) : null,
      this.picture,
      this.nothing,
      this.data
    );
    charts.set(this.id, this);
    this.offTheme = onTheme(() => this.refresh());
  }

  // It leaves the page.
  dispose() {
    charts.delete(this.id);
    this.offTheme();
    for (const element of [this.picture, this.element]) {
      sizes.delete(element);
      observer.unobserve(element);
      visibility.unobserve(element);
    }
    this.instance?.dispose();
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
        renderer: 'canvas',
        width: this.size().width,
        height: this.size().height,
      });
      watchSize(this);
      this.instance.on('legendselectchanged', ({ selected }) => {
        this.selected = selected;
      });
      this.instance.on('datazoom', ({ batch, ...one }) => {
        for (const { dataZoomId, start, end } of batch ?? [one])
          this.zooms[dataZoomId] = { start, end };
      });
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
    const note = missing ? '' : (this.spec.note?.() ?? '');
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
    this.instance.setOption(this.option(), { notMerge: true, lazyUpdate: false });
    this.picture.setAttribute('aria-label', this.describe(note));
    if (!this.data.hidden) this.fillData();
    this.spec.drawn?.(this);
  }

  describe(note) {
    const rows = this.spec.count?.() ?? this.spec.values().length;
    return (
      `${this.spec.title}. ${note} ${count(rows)} ${rows === 1 ? 'value' : 'values'}; ` +
      'the Data button lists them.'
    );
  }

  size(saved = false) {
    const width = saved
      ? savedWidth
      : Math.max(240, this.picture.clientWidth || this.element.clientWidth || 800);
    const size = { width, saved, narrow: width < 520 };
    size.height = Math.round(this.spec.height?.(size) ?? (size.narrow ? 300 : 360));
    return size;
  }

  complete(look, size) {
    const option = this.spec.option(look, size);
    if (option.legend && this.selected) option.legend.selected = this.selected;
    for (const zoom of option.dataZoom ?? []) {
      const chosen = zoom.keeps ? null : this.zooms[zoom.id];
      if (chosen?.start === undefined) continue;
      delete zoom.startValue;
      delete zoom.endValue;
      Object.assign(zoom, chosen);
    }
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
    const chart = echarts.init(null, null, {
      renderer: 'svg',
      ssr: true,
      width: size.width,
      height: size.height,
    });
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

  // On paper stands what would be saved: light, sharp and as wide as the paper.
  toPaper() {
    this.fromPaper();
    if (this.spec.missing?.()) return;
    const { documentElement: drawn } = new DOMParser().parseFromString(this.svg(), 'image/svg+xml');
    this.paper = document.importNode(drawn, true);
    this.paper.classList.add('paper');
    this.picture.append(this.paper);
  }

  fromPaper() {
    this.paper?.remove();
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
    refill(
      this.data,
      table(
        `Data of ${this.spec.title}`,
        heads,
        rows.slice(0, tableRows).map((row) => keys.map((key) => text(row[key])))
      ),
      rows.length > tableRows
        ? el('p', { class: 'note' }, `The first ${count(tableRows)} of ${count(rows.length)} rows.`)
        : el('p')
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
const visibility = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const figure = sizes.get(target);
      figure.shown = isIntersecting || !figure.page.data.live;
      if (isIntersecting && figure.dirty) figure.draw();
    }
  },
  { rootMargin: '300px' }
);
// The picture is hidden where there is nothing to draw; whether the reader is there says the frame.
function watchSize(figure) {
  sizes.set(figure.picture, figure);
  sizes.set(figure.element, figure);
  observer.observe(figure.picture);
  visibility.observe(figure.element);
}
