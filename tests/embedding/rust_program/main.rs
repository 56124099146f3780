// activate NUMBER < z > y_and_d: float32 pre-activations in, phi(z) and then phi'(z) out; NUMBER as in fastgrad/abi.h.
use std::io::{Read, Write};
use std::os::raw::{c_char, c_int, c_void};

type One = extern "C" fn(c_int, usize, usize, *const c_void, f64, *mut c_void) -> c_int;
type Two = extern "C" fn(c_int, usize, usize, *const c_void, f64, *mut c_void, *mut c_void) -> c_int;

/// The head of `fastgrad_table` in fastgrad/abi.h: as many fields as are used; they never move.
#[repr(C)]
struct Fastgrad {
    abi: u32,
    size: u32,
    version: *const c_char,
    cpu: *const c_char,
    value: One,
    derivative: One,
    value_and_derivative: Two,
}

extern "C" {
    fn fastgrad_open(cpu: *const c_char) -> *const Fastgrad;
}

fn main() -> std::io::Result<()> {
    let fastgrad = unsafe { &*fastgrad_open(std::ptr::null()) };
    assert!(fastgrad.abi == 1 && fastgrad.size as usize >= std::mem::size_of::<Fastgrad>());
    let activation = std::env::args().nth(1).map_or(1, |text| text.parse().expect("a number"));
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let z: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect();
    let (mut y, mut d) = (vec![0f32; z.len()], vec![0f32; z.len()]);
    let (from, to_y, to_d) = (z.as_ptr().cast(), y.as_mut_ptr().cast(), d.as_mut_ptr().cast());
    if (fastgrad.value_and_derivative)(activation, std::mem::size_of::<f32>(), z.len(), from, 1.0, to_y, to_d) != 0 {
        eprintln!("fastgrad has no activation {activation}");
        std::process::exit(2);
    }
    let out: Vec<u8> = y.iter().chain(&d).flat_map(|number| number.to_ne_bytes()).collect();
    std::io::stdout().write_all(&out)
}
