//! Builds the core's static library by its own CMake project, so that it is compiled as everybody else's is.
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(command: &mut Command) {
    let status =
        command.status().unwrap_or_else(|error| panic!("expected cmake, found none ({error}); apt-get install cmake"));
    assert!(status.success(), "{command:?} failed: {status}");
}

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let core = here.join("../../csrc").canonicalize().expect("csrc lies two folders above");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap()).join("core");
    run(Command::new("cmake").args(["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_C_COMPILER=gcc"]).args([
        "-DCORESTATE_TESTS=OFF",
        "-DCORESTATE_EXAMPLES=OFF",
        "-S",
        core.to_str().expect("a path in UTF-8"),
        "-B",
        out.to_str().expect("a path in UTF-8"),
    ]));
    run(Command::new("cmake").arg("--build").arg(&out).args(["--target", "corestate_static"]));
    println!("cargo:rustc-link-search=native={}", out.display());
    println!("cargo:rustc-link-lib=static=corestate");
    for folder in ["src", "port", "include/corestate"] {
        watch(&core.join(folder));
    }
    println!("cargo:rerun-if-changed={}", core.join("CMakeLists.txt").display());
}

fn watch(folder: &Path) {
    println!("cargo:rerun-if-changed={}", folder.display());
}
