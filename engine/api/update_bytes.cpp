#include "engine/api/update_bytes.hpp"

#include "engine/model/costs.hpp"
#include "engine/model/parameters.hpp"

namespace convoy::engine {
namespace {

double mask_bytes(const Architecture& architecture, int depth) {
  double gates = 0;
  for (const Group& g : architecture.groups) gates += g.block < depth ? g.size : 0;
  return gates / 8;
}

double compressed_bytes(const Architecture& architecture, const Submodel& submodel,
                        const Compression& compression) {
  double bytes = 0;
  for (const ParameterTensor& p : parameter_tensors(architecture)) {
    if (!is_in(p, architecture, submodel)) continue;
    std::int64_t size = 1;
    for (const std::int64_t n : shape_in(p, kept_of(p, architecture, submodel))) size *= n;
    bytes += static_cast<double>(encoded_bytes(size, p.buffer ? Compression() : compression));
  }
  return bytes;
}

}  // namespace

double update_bytes(const Architecture& architecture, const Submodel& submodel,
                    const Compression& compression, bool with_masks) {
  const double bytes = compression.is_none()
                           ? transfer_bytes(trace(architecture, submodel))
                           : compressed_bytes(architecture, submodel, compression);
  return with_masks ? bytes + mask_bytes(architecture, submodel.depth) : bytes;
}

}  // namespace convoy::engine
