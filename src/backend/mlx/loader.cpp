// Finds and opens the MLX module; the only code of the program that knows where it lies.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include <dlfcn.h>
#include <fmt/format.h>

#if defined(__APPLE__)
#include <mach-o/dyld.h>
#endif

#include "backend/mlx/mlx_backend.h"
#include "backend/mlx/mlx_module.h"
#include "mlxe/error.h"
#include "mlxe/version.h"

namespace mlxe {
namespace {

constexpr const char* kModuleName = "libmlxe_backend_mlx.so";  // CMake calls modules .so on a Mac too
constexpr const char* kModuleVariable = "MLXE_MLX_BACKEND";

/// Of the file that this code is in: the program, or a library that was loaded into another one (Python's module).
std::filesystem::path own_path() {
  Dl_info info{};
  const int found = dladdr(reinterpret_cast<const void*>(&kModuleName), &info);
  return found != 0 && info.dli_fname != nullptr ? info.dli_fname : "";
}

std::filesystem::path program_path() {
  std::error_code error;
#if defined(__APPLE__)
  std::uint32_t size = 0;
  _NSGetExecutablePath(nullptr, &size);
  std::string path(size, '\0');
  _NSGetExecutablePath(path.data(), &size);
  return std::filesystem::canonical(path.c_str(), error);
#else
  return std::filesystem::read_symlink("/proc/self/exe", error);
#endif
}

std::filesystem::path module_path() {
  if (const char* path = std::getenv(kModuleVariable); path != nullptr && *path != '\0') {
    return path;
  }
  std::error_code error;
  std::filesystem::path beside_us = own_path().parent_path() / kModuleName;
  return std::filesystem::exists(beside_us, error) ? beside_us : program_path().parent_path() / kModuleName;
}

[[noreturn]] void unsupported(const std::filesystem::path& path, std::string_view problem) {
  throw Error(ErrorCode::kUnsupported, fmt::format("mlx backend '{}': {}", path.string(), problem));
}

template <class Function>
Function* find_function(void* module, const std::filesystem::path& path, const char* name) {
  void* address = dlsym(module, name);
  if (address == nullptr) {
    unsupported(path, fmt::format("no function '{}', this is not a module of mlx-embeddings", name));
  }
  return reinterpret_cast<Function*>(address);
}

}  // namespace

std::unique_ptr<Backend> load_mlx_backend() {
  const std::filesystem::path path = module_path();
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    unsupported(path, fmt::format("no such file; it is built where libmlx is installed, and {} can name another",
                                  kModuleVariable));
  }
  // Never closed: objects of the backend may live until the process ends. Functions are looked up when they are called:
  // another release of libmlx lacks some, and the module gets to say which release it is.
  void* module = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (module == nullptr) {
    const char* reason = dlerror();  // names the library that is missing
    unsupported(path, fmt::format("cannot be loaded: {}", reason != nullptr ? reason : "unknown reason"));
  }
  const std::string_view version = find_function<MlxModuleVersion>(module, path, kMlxModuleVersionName)();
  if (version != MLXE_VERSION) {
    unsupported(path, fmt::format("belongs to version {}, this is version {}", version, MLXE_VERSION));
  }
  return std::unique_ptr<Backend>(find_function<MlxModuleMake>(module, path, kMlxModuleMakeName)());
}

}  // namespace mlxe
