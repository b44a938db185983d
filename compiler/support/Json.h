// What kvcc writes and reads of JSON. The library throws at a value of another type and at bytes that are no UTF-8; neither is a
// bug.
#ifndef KV_SUPPORT_JSON_H
#define KV_SUPPORT_JSON_H

#include <nlohmann/json.hpp>

#include <cmath>
#include <string>

namespace kv {

/// The text of a file. Bytes that are no UTF-8, as names of files may have, become U+FFFD.
inline std::string jsonText(const nlohmann::json &value) {
  return value.dump(2, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace) + "\n";
}

/// The text of that name in an object; empty where there is none, or no object.
inline std::string textIn(const nlohmann::json &object, const char *name) {
  auto member = object.is_object() ? object.find(name) : object.end();
  return member != object.end() && member->is_string() ? member->get<std::string>() : std::string();
}

/// The number of that name in an object; NaN where there is none, or no object.
inline double numberIn(const nlohmann::json &object, const char *name) {
  auto member = object.is_object() ? object.find(name) : object.end();
  return member != object.end() && member->is_number() ? member->get<double>() : std::nan("");
}

/// The elements of the array of that name in an object; none where there is no such array.
inline const nlohmann::json &arrayIn(const nlohmann::json &object, const char *name) {
  static const nlohmann::json none = nlohmann::json::array();
  auto member = object.is_object() ? object.find(name) : object.end();
  return member != object.end() && member->is_array() ? *member : none;
}

} // namespace kv

#endif
