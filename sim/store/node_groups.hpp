#pragma once

// Groups of nodes in a store. A row of the table `node_group` stands for neighbours that are alike
// and did the same; of a large fleet that is mostly: nothing. The view `node` has a row for each
// node, for people and their programs; what reads stores here makes these rows itself, since it
// trusts no view (foreign_store.hpp).

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/store/rows.hpp"

namespace convoy::sim {

// Of the nodes that a row stands for, those from `from` on, `count` in number. A row of one node
// has its whole name.
NodeRow part_of(const NodeRow& row, std::int64_t from, std::int64_t count);

struct NodeGroup {
  NodeRow row;
  std::optional<NodeEnd> end;  // nothing: the run is not over
};

// The groups of the beginning, divided so that all nodes of one did the same: calls `visit` with
// each part, in order, and what its nodes did; null: it is not known.
void divide(const std::vector<NodeRow>& rows, std::vector<NodeEnd> ends,
            const std::function<void(const NodeRow&, const NodeEnd*)>& visit);

// The SQL that makes the table and the view.
std::string node_tables();
// In the order of the nodes. Throws StoreError if they are too many, stand for a node twice or,
// unless `has_gaps`, are not numbered from 0 on.
std::vector<NodeGroup> read_node_groups(const std::filesystem::path& file,
                                        SQLite::Database& database, bool has_gaps = false);
// Calls `visit` with the row and the end (null: none) of each node.
template <class Visit>
void for_each_node(const std::vector<NodeGroup>& groups, Visit visit) {
  for (const NodeGroup& group : groups) {
    std::optional<NodeEnd> end = group.end;
    for (std::int64_t i = 0; i < group.row.span.alike; ++i) {
      const std::int64_t id = group.row.id + i;
      if (end) end->id = id;
      if (end) end->alike = 1;
      visit(part_of(group.row, id, 1), end ? &*end : nullptr);
    }
  }
}
// An expression in SQL: the name of a node by its number, which is an expression, too.
std::string name_in_sql(const std::string& node);

}  // namespace convoy::sim
