//! A region of the core in a file that several processes map, as the Python runtime keeps it.
use crate::sys;
use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::raw::{c_int, c_void};
use std::path::Path;

/// Panics with the core's own word for an error.
pub fn must(code: c_int) -> c_int {
    if code < 0 {
        let text = unsafe { CStr::from_ptr(sys::cs_strerror(code)) };
        panic!("the core refused: {}", text.to_string_lossy());
    }
    code
}

/// What a host has by default, with so many agents whose details take so many bytes.
pub fn config(agents: u32, details: u32) -> sys::Config {
    let mut config = sys::Config::default();
    unsafe { sys::cs_config_default(&mut config) };
    config.agents = agents;
    config.agent_details_bytes = details;
    config
}

/// Shared by threads: the core's functions may be called from any number of them.
pub struct Attached {
    region: Box<sys::Region>,
    memory: *mut c_void,
    size: usize,
    _file: File,
}

unsafe impl Send for Attached {}
unsafe impl Sync for Attached {}

impl Attached {
    pub fn create(path: &Path, config: &sys::Config) -> Attached {
        let size = unsafe { sys::cs_region_size(config) };
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).expect("a new file");
        file.set_len(size).expect("room for the region");
        let memory = map(&file, size as usize);
        must(unsafe { sys::cs_region_format(memory, size, config, sys::ZEROED) });
        Attached::attach(path, file, memory, size as usize)
    }

    pub fn open(path: &Path) -> Attached {
        let file = OpenOptions::new().read(true).write(true).open(path).expect("a region's file");
        let size = file.metadata().expect("a file's size").len() as usize;
        let memory = map(&file, size);
        Attached::attach(path, file, memory, size)
    }

    fn attach(path: &Path, file: File, memory: *mut c_void, size: usize) -> Attached {
        let liveness = OpenOptions::new().read(true).write(true).open(path).expect("the region's file");
        let mut region = Box::new(sys::Region::empty());
        let handle = i64::from(liveness.into_raw_fd()); // kept until the process ends: it is how others know that it lives
        must(unsafe { sys::cs_region_attach(&mut *region, memory, size as u64, 0, handle) });
        Attached { region, memory, size, _file: file }
    }

    pub fn get(&self) -> *mut sys::Region {
        std::ptr::from_ref::<sys::Region>(&self.region).cast_mut()
    }

    pub fn counter(&self, name: &str) -> sys::Handle {
        let name = CString::new(name).expect("a name without NUL");
        let mut handle = 0;
        must(unsafe { sys::cs_counter_open(self.get(), name.as_ptr(), sys::NUL_ENDED, &mut handle) });
        handle
    }

    pub fn lock(&self, name: &str) -> sys::Handle {
        let name = CString::new(name).expect("a name without NUL");
        let mut handle = 0;
        must(unsafe { sys::cs_lock_open(self.get(), name.as_ptr(), sys::NUL_ENDED, &mut handle) });
        handle
    }

    pub fn kind(&self, name: &str) -> u32 {
        let name = CString::new(name).expect("a name without NUL");
        let mut kind = 0;
        must(unsafe { sys::cs_kind_open(self.get(), name.as_ptr(), sys::NUL_ENDED, &mut kind) });
        kind
    }

    pub fn register(&self, id: &str, details: &[u8]) -> sys::Handle {
        let mut handle = 0;
        let details = as_details(details);
        let length = id.len() as u32;
        must(unsafe {
            sys::cs_agent_register(self.get(), id.as_ptr().cast(), length, sys::SENSORY, &details, &mut handle)
        });
        handle
    }

    pub fn find(&self, id: &str) -> sys::Handle {
        let mut handle = 0;
        must(unsafe { sys::cs_agent_find(self.get(), id.as_ptr().cast(), id.len() as u32, &mut handle) });
        handle
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        unsafe {
            sys::cs_region_detach(&mut *self.region);
            libc::munmap(self.memory, self.size);
        }
    }
}

/// Details that are these bytes, all of them as capabilities.
pub fn as_details(bytes: &[u8]) -> sys::Details {
    sys::Details {
        capabilities: bytes.as_ptr().cast(),
        transport: std::ptr::null(),
        metadata: std::ptr::null(),
        capabilities_length: bytes.len() as u32,
        transport_length: 0,
        metadata_length: 0,
    }
}

/// The whole of a file, shared.
pub fn map(file: &File, size: usize) -> *mut c_void {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let at = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    assert!(at != libc::MAP_FAILED, "the file cannot be mapped: {}", std::io::Error::last_os_error());
    at
}
