// A module of another version, which the loader must refuse.
extern "C" const char* mlxe_mlx_module_version() {
  return "0.0.1-other";
}
