// Tables: with heads that sort, a search, and pages. On a narrow screen each row becomes a card (css/tables_narrow.css).

import { h } from "../core/dom.js";
import { count } from "../core/format.js";
import { button, searchField, selectField } from "./controls.js";

/**
 * A table. `columns`: `title`, `cell(row)`; `number` aligns to the right; `sort` is what the column is sorted by.
 * `sorted`: {by, down}; `onSort(by, down)`. `key(row)` tells rows apart. `empty` stands where there is no row.
 */
export function table({ caption, columns, rows, key, sorted, onSort, empty = "There is nothing here." }) {
  if (rows.length === 0) {
    return h("p", { class: "empty", key: "empty" }, empty);
  }
  return h(
    "div",
    { class: "table-place", key: "table" },
    h(
      "table",
      { role: "table" },
      h("caption", { class: "unseen" }, caption),
      h(
        "thead",
        { role: "rowgroup" },
        h(
          "tr",
          { role: "row" },
          columns.map((column) => head(column, sorted, onSort)),
        ),
      ),
      h(
        "tbody",
        { role: "rowgroup" },
        rows.map((row) =>
          h(
            "tr",
            { role: "row", key: key(row) },
            columns.map((column, index) => cell(column, row, index)),
          ),
        ),
      ),
    ),
  );
}

function cell(column, row, index) {
  const properties = { "data-label": column.title, class: classOf(column) };
  return index === 0
    ? h("th", { scope: "row", role: "rowheader", ...properties }, column.cell(row))
    : h("td", { role: "cell", ...properties }, column.cell(row));
}

// A column without a title holds what can be done.
const classOf = (column) =>
  [column.number && "number", column.title ? column.class : "acts"].filter(Boolean).join(" ") || null;

function head(column, sorted, onSort) {
  const properties = { scope: "col", role: "columnheader", class: classOf(column) };
  if (!column.sort || !onSort) {
    return h("th", properties, column.title || h("span", { class: "unseen" }, "Actions"));
  }
  const active = sorted?.by === column.sort;
  const arrow = active ? (sorted.down ? " ▼" : " ▲") : "";
  return h(
    "th",
    { ...properties, "aria-sort": active ? (sorted.down ? "descending" : "ascending") : "none" },
    h(
      "button",
      // Numbers begin with the largest, names with the first letter.
      {
        type: "button",
        class: "sort",
        on: { click: () => onSort(column.sort, active ? !sorted.down : Boolean(column.number)) },
      },
      column.title,
      h("span", { "aria-hidden": "true" }, arrow),
    ),
  );
}

/** How a list is shown, from the page's state. */
export function listState(state, { by, down = false, size = 50 }) {
  return {
    name: state.name ?? "",
    by: state.sort ?? by,
    down: state.sort ? state.down === "1" : down,
    page: Math.max(1, Number.parseInt(state.page, 10) || 1),
    size,
  };
}

/** What a list in pages is asked for. */
export function listQuery({ name, by, down, page, size }) {
  // Without use_regex the broker looks for the text itself.
  return { page, page_size: size, name, sort: by, sort_reverse: down };
}

/** A list that the broker sorts, searches and cuts into pages: search field, table, pager. */
export function pagedList(page, list, answer, { caption, columns, key, empty, beside = [] }) {
  const pages = answer.page_count ?? 1;
  const searching = list.name !== "";
  return [
    listToolbar(page, list, columns, answer.filtered_count ?? answer.items.length, answer.total_count, beside),
    table({
      caption,
      columns,
      rows: answer.items,
      key,
      sorted: list,
      onSort: (by, down) => page.set({ sort: by, down: down ? 1 : "", page: "" }),
      empty: searching ? "No name contains this." : empty,
    }),
    pager(page, list.page, pages),
  ];
}

/** A list that is here whole: sorted, searched and cut into pages by the browser. */
export function wholeList(page, list, rows, { caption, columns, key, text, empty, beside = [] }) {
  const wanted = list.name.toLowerCase();
  const found = wanted ? rows.filter((row) => text(row).toLowerCase().includes(wanted)) : rows;
  const column = columns.find((one) => one.sort === list.by);
  const sorted = column
    ? [...found].sort((one, other) => compare(column.value(one), column.value(other), list.down))
    : found;
  const pages = Math.max(1, Math.ceil(sorted.length / list.size));
  const at = Math.min(list.page, pages);
  return pagedList(
    page,
    { ...list, page: at },
    {
      items: sorted.slice((at - 1) * list.size, at * list.size),
      page_count: pages,
      filtered_count: found.length,
      total_count: rows.length,
    },
    { caption, columns, key, empty, beside },
  );
}

function compare(one, other, down) {
  const order =
    typeof one === "number" && typeof other === "number"
      ? one - other
      : String(one ?? "").localeCompare(String(other ?? ""));
  return down ? -order : order;
}

/** What stands above a list: its search, how it is sorted on a narrow screen, what else there is, how many are found. */
export function listToolbar(page, list, columns, found, total, beside) {
  const sortable = columns.filter((column) => column.sort);
  return h(
    "div",
    { class: "toolbar", key: "toolbar" },
    searchField("Search", list.name, (name) => page.set({ name, page: "" }, { replace: true })),
    sortable.length > 0 &&
      h(
        "div",
        { class: "narrow-only sorting" },
        selectField(
          "Sort by",
          sortable.map((column) => [column.sort, column.title]),
          list.by,
          (by) => page.set({ sort: by, down: list.down ? 1 : "", page: "" }),
        ),
        button(list.down ? "▼" : "▲", () => page.set({ sort: list.by, down: list.down ? "" : 1, page: "" }), {
          label: list.down ? "Sorted downwards; turn round" : "Sorted upwards; turn round",
        }),
      ),
    beside,
    h(
      "p",
      { class: "found", "aria-live": "polite" },
      found === total ? count(total) : `${count(found)} of ${count(total)}`,
    ),
  );
}

function pager(page, at, pages) {
  if (pages <= 1) {
    return null;
  }
  const to = (number) => page.set({ page: number > 1 ? number : "" });
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages of the list", key: "pager" },
    button("First", () => to(1), { disabled: at <= 1 }),
    button("Previous", () => to(at - 1), { disabled: at <= 1 }),
    h("span", {}, `Page ${count(at)} of ${count(pages)}`),
    button("Next", () => to(at + 1), { disabled: at >= pages }),
    button("Last", () => to(pages), { disabled: at >= pages }),
  );
}
