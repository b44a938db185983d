// Fault.cpp: see Fault.h.
#include "Fault.h"

#include <fmt/format.h>

namespace kv::ptx {

const char *nameOf(FaultKind kind) {
  switch (kind) {
  case FaultKind::none:
    return "none";
  case FaultKind::badLaunch:
    return "bad launch";
  case FaultKind::outOfBounds:
    return "out of bounds";
  case FaultKind::misaligned:
    return "misaligned";
  case FaultKind::uninitialised:
    return "uninitialised";
  case FaultKind::race:
    return "race";
  case FaultKind::asyncHazard:
    return "asynchronous copy";
  case FaultKind::divergence:
    return "divergence";
  case FaultKind::deadlock:
    return "deadlock";
  case FaultKind::barrier:
    return "barrier";
  case FaultKind::trap:
    return "trap";
  }
  return "?";
}

std::string Fault::text() const {
  std::string place = fmt::format("kernel `{}`", kernel);
  if (line)
    place +=
        fmt::format(" line {}, cta ({},{},{}) thread ({},{},{})", line, cta[0], cta[1], cta[2], thread[0], thread[1], thread[2]);
  std::string what = fmt::format("{}: {}: {}", place, nameOf(kind), message);
  if (hasAddress)
    what += fmt::format(", address {:#x}", address);
  if (!instruction.empty())
    what += fmt::format(", in `{}`", instruction);
  return what;
}

} // namespace kv::ptx
