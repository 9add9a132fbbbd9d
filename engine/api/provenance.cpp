#include "engine/api/provenance.hpp"

#include "engine/api/library.hpp"

namespace convoy::engine {

std::map<std::string, std::string> library_facts() {
  using Facts = void(std::map<std::string, std::string>&);
  auto* const put = reinterpret_cast<Facts*>(library_function(
      "convoy_library_facts", "training.learn = true", ", or set training.learn = false"));
  std::map<std::string, std::string> facts;
  put(facts);
  return facts;
}

}  // namespace convoy::engine
