#pragma once

// The base of classes that are neither copied nor moved.

namespace convoy::base {

class NonCopyable {
 public:
  NonCopyable() = default;
  NonCopyable(const NonCopyable&) = delete;
  NonCopyable& operator=(const NonCopyable&) = delete;

 protected:
  ~NonCopyable() = default;
};

}  // namespace convoy::base
