#pragma once

// Present and peak memory of a computation that is followed tensor by tensor (memory.cpp).

#include <memory>
#include <vector>

#include "base/non_copyable.hpp"
#include "engine/model/costs.hpp"

namespace convoy::engine {

class Meter {
 public:
  using Kind = double MemoryCost::*;

  void add(Kind kind, double bytes) {
    now_.*kind += bytes;
    if (now_.total() > peak_.total()) peak_ = now_;
  }
  void remove(Kind kind, double bytes) { now_.*kind -= bytes; }
  [[nodiscard]] const MemoryCost& now() const { return now_; }
  [[nodiscard]] const MemoryCost& peak() const { return peak_; }

 private:
  MemoryCost now_;
  MemoryCost peak_;
};

// A tensor's memory, shared by its views.
class Storage : base::NonCopyable {
 public:
  Storage(Meter& meter, Meter::Kind kind, double bytes)
      : meter_(meter), kind_(kind), bytes_(bytes) {
    meter_.add(kind_, bytes_);
  }
  ~Storage() { meter_.remove(kind_, bytes_); }

 private:
  Meter& meter_;
  Meter::Kind kind_;
  double bytes_;
};
using Held = std::shared_ptr<const Storage>;
using Saved = std::vector<Held>;

}  // namespace convoy::engine
